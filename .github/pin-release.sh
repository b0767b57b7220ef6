#!/bin/sh
# Makes the tree of a release out of that of main, or the other way round, in the repository around it:
#
#   .github/pin-release.sh v1.2.3 sha256:...   action.yml names the image by its digest, setup/action.yml its own version
#   .github/pin-release.sh main                action.yml builds the Dockerfile, setup/action.yml has no version of its own
#
# Two lines are written, one in each file, and nothing if one of them is not found. CONTRIBUTING.md says who calls it.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

name=docker://ghcr.io/tagboat/tagboat
number='(0|[1-9][0-9]*)'
version="v$number\\.$number\\.$number(-[0-9A-Za-z]+([.-][0-9A-Za-z]+)*)?"

fail() {
  printf 'pin-release: %s\n' "$1" >&2
  exit 1
}

# matches holds a text against an expression as a whole; a text of two lines matches none.
matches() {
  [ "$(printf '%s\n' "$1" | wc -l)" -eq 1 ] && printf '%s\n' "$1" | grep -Eqx -- "$2"
}

# only_line refuses a file that does not have the line exactly once.
only_line() {
  [ "$(grep -Ecx -- "$2" "$1")" = 1 ] || fail "$1 does not have exactly one line $2"
}

# write puts a text in the place of what follows a key.
write() {
  sed -E "s#^$2\$#\\1$3#" "$1" >"$1.pinned"
  cat "$1.pinned" >"$1" # keeps the mode
  rm "$1.pinned"
}

case $# in
  2)
    matches "$1" "$version" || fail "not a version of the form v1.2.3: $1"
    matches "$2" 'sha256:[0-9a-f]{64}' || fail "not a digest of the form sha256:(64 hexadecimal digits): $2"
    image=$name@$2 default=$1
    ;;
  1)
    [ "$1" = main ] || fail "not main: $1"
    image=Dockerfile default='""'
    ;;
  *) fail 'usage: pin-release.sh VERSION DIGEST | pin-release.sh main' ;;
esac

image_line="(  image: )(Dockerfile|$name@sha256:[0-9a-f]{64})"
default_line="(    default: )(\"\"|$version)"
only_line action.yml "$image_line"
only_line setup/action.yml "$default_line"
write action.yml "$image_line" "$image"
write setup/action.yml "$default_line" "$default"
