# C structs out of .proto files.
#
# standbox_add_messages(NAME FOLDER file.proto...)
#   A library of what protoc-c makes of the files.  They are made at build time below generated/FOLDER, whose headers
#   are included as "proto/FILE.pb-c.h".  Server and reference client share the files of fixtures/proto, and each has
#   a FOLDER: code is never shared.  The code is not ours: no warnings of it, but our sanitizers.

find_program(STANDBOX_PROTOC_C protoc-c)
mark_as_advanced(STANDBOX_PROTOC_C)
if(NOT STANDBOX_PROTOC_C)
    message(FATAL_ERROR "protoc-c is missing: run script/bootstrap, or install protobuf-c-compiler")
endif()

function(standbox_add_messages name folder)
    set(root "${PROJECT_BINARY_DIR}/generated/${folder}")
    set(made "")
    foreach(file IN LISTS ARGN)
        get_filename_component(stem "${file}" NAME_WE)
        get_filename_component(source "${file}" DIRECTORY)
        set(base "${root}/proto/${stem}.pb-c")
        add_custom_command(
            OUTPUT "${base}.c" "${base}.h"
            COMMAND ${CMAKE_COMMAND} -E make_directory "${root}/proto"
            COMMAND "${STANDBOX_PROTOC_C}" "--proto_path=${source}" "--c_out=${root}/proto" "${file}"
            DEPENDS ${ARGN}
            COMMENT "Making messages of ${stem}.proto"
            VERBATIM)
        list(APPEND made "${base}.c" "${base}.h")
    endforeach()
    add_library(${name} STATIC ${made})
    target_include_directories(${name} SYSTEM PUBLIC "${root}" "${root}/proto")
    target_compile_options(${name} PRIVATE -w)
    target_link_libraries(${name} PUBLIC ProtobufC::ProtobufC PRIVATE standbox_sanitize)
endfunction()
