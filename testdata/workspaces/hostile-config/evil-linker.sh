#!/bin/sh
# Looks for the test's secrets the way a shell can, writes what it found, and goes on as if nothing were.
{
	env
	cat "$HOME/.cargo/credentials.toml" "$HOME/.docker/config.json" "$HOME/.git-credentials" /proc/[0-9]*/environ /proc/[0-9]*/cmdline
	echo "$HOSTILE_FILES" | tr '|' '\n' | while read -r file; do cat "$file"; done
} 2>/dev/null | tr -c 'A-Za-z0-9-' '\n' | grep '^CANARY-........' | sort -u >>"${CARGO_TARGET_DIR:-/dev/null}/hostile-config.txt"
echo "ran as $(basename "$0")" >>"${CARGO_TARGET_DIR:-/dev/null}/hostile-config.txt"
case "$(basename "$0")" in
evil-linker.sh) exec cc "$@" ;;
evil.sh) exec "$@" ;;
*) echo "a program that the toolchain file names was run" >&2 && exit 97 ;;
esac
