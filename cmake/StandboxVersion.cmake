# version.h, made anew at every build, touched only when its text changes.

set(STANDBOX_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")
set(standbox_version_command
    ${CMAKE_COMMAND}
    -DSOURCE_DIR=${PROJECT_SOURCE_DIR}
    -DVERSION=${PROJECT_VERSION}
    -DOUTPUT=${STANDBOX_GENERATED_DIR}/version.h
    -P "${PROJECT_SOURCE_DIR}/cmake/write_version.cmake")

add_custom_target(standbox_version_header
    COMMAND ${standbox_version_command}
    BYPRODUCTS "${STANDBOX_GENERATED_DIR}/version.h"
    VERBATIM)

add_library(standbox_version INTERFACE)
target_include_directories(standbox_version INTERFACE "${STANDBOX_GENERATED_DIR}")
add_dependencies(standbox_version standbox_version_header)
