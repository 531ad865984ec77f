# shellcheck shell=bash
# Sourced by the scripts beside it.  Sets `top` (the repository) and changes into it.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$top"
jobs=$(nproc 2>/dev/null || echo 2)

say() { echo "$self: $*" >&2; }

die() {
    say "$@"
    exit 1
}

# quietly LOG COMMAND...: output goes to build/log/LOG; its end is shown when the command fails.
quietly() {
    local log=build/log/$1
    shift
    mkdir -p build/log
    if ! "$@" </dev/null >"$log" 2>&1; then
        # Without ninja's progress, so that the cause is in sight.
        { grep -vE '^\[[0-9]+/[0-9]+\] [A-Z][a-z]+ing ' "$log" || true; } | tail -n 40 >&2
        say "failed: $* (all of it: $log)"
        return 1
    fi
}

# build_preset PRESET [cmake option...]: configures when needed, then builds; one at a time.
build_preset() {
    local preset=$1
    shift
    mkdir -p build
    (
        ! command -v flock >/dev/null || flock 9
        # CMake refuses a build folder that was made for another place.
        if [ -e "build/$preset/CMakeCache.txt" ] &&
            ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$top" "build/$preset/CMakeCache.txt"; then
            rm -rf "build/$preset"
        fi
        if [ $# -gt 0 ] || [ ! -e "build/$preset/build.ninja" ]; then
            quietly "configure-$preset.log" cmake --preset "$preset" "$@"
        fi
        quietly "build-$preset.log" cmake --build "build/$preset" --parallel "$jobs"
    ) 9>"build/.lock-$preset"
}
