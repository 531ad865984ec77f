# cmake -DNAME=... "-DFILES=a|b" -DOUTPUT=... -P embed_files.cmake
# What standbox_embed runs at build time; its comment says what comes out.

string(REPLACE "|" ";" files "${FILES}")
set(hex "")
foreach(file IN LISTS files)
    file(READ "${file}" piece HEX)
    string(APPEND hex "${piece}")
endforeach()
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")

# The hash of all of them together can only be had of a file.
string(REGEX REPLACE "\\.c$" ".bin" joined "${OUTPUT}")
get_filename_component(folder "${OUTPUT}" DIRECTORY)
file(MAKE_DIRECTORY "${folder}")
execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${files} OUTPUT_FILE "${joined}" RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "cannot read ${FILES}")
endif()
file(SHA256 "${joined}" hash)
file(REMOVE "${joined}")

# 16 bytes to a line; those above 127 do not fit a signed char.
string(REGEX REPLACE "(................................)" "\\1\n" list "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," list "${list}")
string(REGEX REPLACE "(0x[89a-f][0-9a-f])," "(char) \\1," list "${list}")
file(WRITE "${OUTPUT}" "/* Made by cmake/embed_files.cmake. */
#include <stddef.h>

extern const char ${NAME}[], ${NAME}_sha256[];
extern const size_t ${NAME}_len;

const char ${NAME}[] = {
${list}0
};
const size_t ${NAME}_len = ${bytes};
const char ${NAME}_sha256[] = \"${hash}\";
")
