# standbox_add_library(NAME SOURCES file... [LIBS target...])
#   A static library; an interface one while a folder has no sources yet.
function(standbox_add_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    if(arg_SOURCES)
        add_library(${name} STATIC ${arg_SOURCES})
        target_link_libraries(${name} PUBLIC standbox_flags standbox_sanitize ${arg_LIBS})
    else()
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE standbox_flags standbox_sanitize ${arg_LIBS})
    endif()
endfunction()

# standbox_add_test(AREA SOURCES file... LIBS target... [TIMEOUT seconds] [LABELS word...])
#   One cmocka program for one area, as ctest test AREA.  The limit is for what hangs: a loaded machine is slow.
function(standbox_add_test area)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBS;LABELS")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 600)
    endif()
    set(program test_${area})
    add_executable(${program} ${arg_SOURCES})
    target_link_libraries(${program} PRIVATE ${arg_LIBS} Cmocka::Cmocka)
    add_test(NAME ${area} COMMAND ${program})
    set_tests_properties(${area} PROPERTIES
        TIMEOUT ${arg_TIMEOUT}
        LABELS "${arg_LABELS}"
        ENVIRONMENT "${STANDBOX_TEST_ENVIRONMENT}")
endfunction()
