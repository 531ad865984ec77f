# Files as bytes in a program.
#
# standbox_embed(OUT_SOURCE NAME FILES file...)
#   Makes a C file (its path goes into the variable OUT_SOURCE) with the files' bytes, one after the other:
#       const char NAME[]; a NUL behind them      const size_t NAME_len;
#       const char NAME_sha256[];                 hexadecimal, of the bytes
#   Declare them where they are used: extern const char page_script[]; ...  Made anew when a file changes.

set(STANDBOX_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_DIR}/embed_files.cmake")

function(standbox_embed out_source name)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "FILES")
    set(output "${CMAKE_CURRENT_BINARY_DIR}/embedded/${name}.c")
    string(REPLACE ";" "|" files "${arg_FILES}")
    add_custom_command(
        OUTPUT "${output}"
        COMMAND ${CMAKE_COMMAND} -DNAME=${name} "-DFILES=${files}" "-DOUTPUT=${output}" -P "${STANDBOX_EMBED_SCRIPT}"
        DEPENDS ${arg_FILES} "${STANDBOX_EMBED_SCRIPT}"
        COMMENT "Embedding ${name}"
        VERBATIM)
    set(${out_source} "${output}" PARENT_SCOPE)
endfunction()
