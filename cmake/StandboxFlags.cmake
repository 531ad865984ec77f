# Language, warnings and sanitizers, on interface targets that the others link.

option(STANDBOX_WERROR "Treat warnings as errors" OFF)
set(STANDBOX_SANITIZE "" CACHE STRING "Sanitizers for everything but the keeper, e.g. address,undefined")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Kind of build" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(standbox_flags INTERFACE)
target_compile_definitions(standbox_flags INTERFACE _GNU_SOURCE)
target_include_directories(standbox_flags INTERFACE "${PROJECT_SOURCE_DIR}/mockserver")
target_compile_options(standbox_flags INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings
    -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference -Wconversion
    -fstack-protector-strong -fno-common
    $<$<BOOL:${STANDBOX_WERROR}>:-Werror>)
target_link_options(standbox_flags INTERFACE -Wl,-z,relro,-z,now)

# Some distributions predefine _FORTIFY_SOURCE, hence the -U; sanitizers do its work themselves.
if(NOT STANDBOX_SANITIZE)
    target_compile_options(standbox_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()

# Apart from standbox_flags, because the keeper must stay without: it shares memory with its
# vfork-style children, which the sanitizers' run time does not survive.
add_library(standbox_sanitize INTERFACE)
if(STANDBOX_SANITIZE)
    target_compile_options(standbox_sanitize INTERFACE
        -fsanitize=${STANDBOX_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(standbox_sanitize INTERFACE -fsanitize=${STANDBOX_SANITIZE})
endif()
