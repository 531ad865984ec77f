# cmake -DSOURCE_DIR=... -DVERSION=... -DOUTPUT=... -P write_version.cmake
# Fills version.h.in; the commit is "" when the sources are no git checkout of ours.

set(COMMIT "")
find_program(GIT git)
if(GIT AND EXISTS "${SOURCE_DIR}/.git")
    execute_process(
        COMMAND "${GIT}" -C "${SOURCE_DIR}" describe --always --dirty --abbrev=10 --exclude=*
        OUTPUT_VARIABLE commit RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT failed AND commit MATCHES "^[0-9a-f]+(-dirty)?$")
        set(COMMIT "${commit}")
    endif()
endif()
configure_file("${SOURCE_DIR}/mockserver/version.h.in" "${OUTPUT}" @ONLY)
