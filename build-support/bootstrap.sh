# shellcheck shell=bash
# Sourced by ./pants, ./querylake and the commands in build-support: finds interpreters and keeps
# the build tools (Pants, Pex, uv) in a cache outside the repository, installed from hashed locks.
#
#   QUERYLAKE_CACHE_DIR    where everything that can be rebuilt lives (default ~/.cache/querylake)
#   QUERYLAKE_PYTHON39,
#   QUERYLAKE_PYTHON311    an interpreter to use instead of searching for one

set -euo pipefail
shopt -s inherit_errexit 2>/dev/null || true # a failure inside $( ) must end the script; bash 3 cannot

REPO_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
export REPO_ROOT

die() {
  printf 'error: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '       %s\n' "$@" >&2
  exit 1
}

note() { printf '%s\n' "$*" >&2; }

if [[ -z "${QUERYLAKE_CACHE_DIR:-}" ]]; then
  [[ -n "${HOME:-}${XDG_CACHE_HOME:-}" ]] || die "neither HOME nor QUERYLAKE_CACHE_DIR is set." \
    "Set QUERYLAKE_CACHE_DIR to a folder that you can write to."
  QUERYLAKE_CACHE_DIR="${XDG_CACHE_HOME:-$HOME/.cache}/querylake"
fi
mkdir -p "$QUERYLAKE_CACHE_DIR" 2>/dev/null && [[ -w "$QUERYLAKE_CACHE_DIR" ]] ||
  die "the cache folder $QUERYLAKE_CACHE_DIR cannot be written." \
    "Set QUERYLAKE_CACHE_DIR to a folder that you can write to."
QUERYLAKE_CACHE_DIR="$(cd "$QUERYLAKE_CACHE_DIR" && pwd -P)"
export QUERYLAKE_CACHE_DIR
# Our own PEX files unpack here when they run, beside everything else that can be deleted.
export PEX_ROOT="${PEX_ROOT:-$QUERYLAKE_CACHE_DIR/pex}"

# is_python VERSION PATH: succeeds if PATH is a working CPython of that minor version with venv.
is_python() {
  [[ -x "$2" ]] && "$2" -c "
import sys, ensurepip, venv
sys.exit(sys.implementation.name != 'cpython' or '%d.%d' % sys.version_info[:2] != '$1')
" >/dev/null 2>&1
}

# search_python VERSION: prints the first interpreter that works: pyenv, PATH, then uv's own. A pyenv
# shim on PATH fails where its version is not selected, so every candidate is run before it is believed.
search_python() {
  local version="$1" candidate
  while IFS= read -r candidate; do
    if is_python "$version" "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done < <(
    compgen -G "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$version.*/bin/python$version" | sort -rV || true
    type -aP "python$version" || true
    if command -v uv >/dev/null; then uv python find --no-python-downloads "$version" 2>/dev/null || true; fi
  )
  if command -v uv >/dev/null && [[ -z "${QUERYLAKE_NO_PYTHON_DOWNLOADS:-}" ]]; then
    note "CPython $version was not found; asking uv for it."
    if uv python install --quiet "$version" >&2 && candidate="$(uv python find "$version")"; then
      printf '%s\n' "$candidate"
      return
    fi
  fi
  return 1
}

# find_python VERSION: prints the interpreter that a variable names, or else what was found before, or
# else what a search finds; ends clearly if that is none.
find_python() {
  local version="$1" memo="$QUERYLAKE_CACHE_DIR/python-$1" variable="QUERYLAKE_PYTHON${1/./}" found
  if [[ -n "${!variable:-}" ]]; then
    is_python "$version" "${!variable}" ||
      die "$variable=${!variable} is not a CPython $version with venv."
    printf '%s\n' "${!variable}"
    return
  fi
  if [[ -f "$memo" ]]; then
    found="$(<"$memo")"
    if [[ -x "$found" ]]; then
      printf '%s\n' "$found"
      return
    fi
  fi
  found="$(search_python "$version")" || die "CPython $version with venv is needed and was not found in pyenv, on PATH, or by uv." \
    "Install it with one of:" \
    "  uv python install $version        (pip install uv)" \
    "  pyenv install $version" \
    "  apt-get install python$version python$version-venv" \
    "or point $variable at one."
  printf '%s\n' "$found" >"$memo.$$"
  mv -f "$memo.$$" "$memo"
  printf '%s\n' "$found"
}

# ensure_tool NAME PYTHON_VERSION: prints a folder that holds a virtual environment with exactly
# 3rdparty/python/tools/NAME.lock. Two starts at once both build; the first to link its result wins.
ensure_tool() {
  local name="$1" lock="$REPO_ROOT/3rdparty/python/tools/$1.lock" python target build
  python="$(find_python "$2")" || exit 1
  target="$QUERYLAKE_CACHE_DIR/tools/$name-$(cksum <"$lock" | tr ' ' '-')"
  if [[ ! -x "$target/bin/python" ]]; then
    note "Installing $name into $QUERYLAKE_CACHE_DIR (once) ..."
    mkdir -p "$QUERYLAKE_CACHE_DIR/tools"
    # A link whose interpreter or folder has gone. Before the build, because afterwards it may be another's.
    rm -f "$target"
    build="$(mktemp -d "$target.XXXXXX")"
    "$python" -m venv "$build" &&
      "$build/bin/python" -m pip --quiet --disable-pip-version-check install \
        --no-deps --require-hashes --requirement "$lock" >"$build/install.log" 2>&1 ||
      { tail -n 20 "$build/install.log" >&2; rm -rf "$build"; die "$name could not be installed from the package index; see above."; }
    ln -sn "$build" "$target" 2>/dev/null || rm -rf "$build"
  fi
  printf '%s\n' "$target"
}
