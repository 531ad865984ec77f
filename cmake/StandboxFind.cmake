# The libraries we use, by header and library file.  Not by their own CMake packages: civetweb's
# fails on Debian unless its command line program is installed too, and cJSON's and cmocka's differ
# between versions.

find_package(Threads REQUIRED)

function(standbox_find target header library package)
    string(MAKE_C_IDENTIFIER "${library}" id)
    find_path(${id}_INCLUDE_DIR "${header}")
    find_library(${id}_LIBRARY "${library}")
    mark_as_advanced(${id}_INCLUDE_DIR ${id}_LIBRARY)
    if(NOT ${id}_INCLUDE_DIR OR NOT ${id}_LIBRARY)
        message(FATAL_ERROR "${library} (header ${header}) is missing: run script/bootstrap, "
                            "or install ${package}")
    endif()
    add_library(${target} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES
        IMPORTED_LOCATION "${${id}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${${id}_INCLUDE_DIR}")
endfunction()

standbox_find(Civetweb::Civetweb civetweb.h civetweb libcivetweb-dev)
standbox_find(ProtobufC::ProtobufC protobuf-c/protobuf-c.h protobuf-c libprotobuf-c-dev)
standbox_find(CJSON::CJSON cjson/cJSON.h cjson libcjson-dev)
standbox_find(Nghttp2::Nghttp2 nghttp2/nghttp2.h nghttp2 libnghttp2-dev)
if(BUILD_TESTING OR STANDBOX_CONFORMANCE)
    standbox_find(Cmocka::Cmocka cmocka.h cmocka libcmocka-dev)
endif()
if(STANDBOX_CONFORMANCE)
    # Its own CMake package differs between versions; the name of the target is the one that it uses.
    standbox_find(CURL::libcurl curl/curl.h curl libcurl4-openssl-dev)
endif()
