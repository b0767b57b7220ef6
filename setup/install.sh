#!/usr/bin/env bash
# Installs a released tagboat program: setup/action.yml calls it. It runs in the bash of Linux, macOS (3.2) and Windows
# (Git Bash) runners. What it takes comes from its environment:
#
#   TAGBOAT_VERSION             v1.2.3 or 1.2.3
#   TAGBOAT_VERIFY_ATTESTATION  auto, true or false
#   GH_TOKEN                    for gh, where an attestation is verified; nothing else gets it
#   GITHUB_SERVER_URL, RUNNER_OS, RUNNER_ARCH, RUNNER_TEMP, GITHUB_PATH, GITHUB_OUTPUT   the runner's
set -euo pipefail
export LC_ALL=C # [a-z] means these letters only

repository=tagboat/tagboat

# An annotation is one line of the log: what came from outside must not begin another one.
annotate() {
  local kind=$1 text=$2
  text=${text//[%]/%25}
  text=${text//$'\r'/%0D}
  text=${text//$'\n'/%0A}
  printf '::%s title=Set up Tagboat::%s\n' "$kind" "$text" >&2
}

fail() {
  annotate error "$1"
  exit 1
}

# The runner knows its system better than uname: on Windows and on a Mac that translates, bash may be of another kind.
system() {
  local name=${RUNNER_OS:-$(uname -s)}
  case $name in
    Linux) echo linux ;;
    macOS | Darwin) echo darwin ;;
    Windows | MINGW* | MSYS* | CYGWIN*) echo windows ;;
    *) fail "There is no tagboat program for the system $name: only for Linux, macOS and Windows." ;;
  esac
}

architecture() {
  local name=${RUNNER_ARCH:-$(uname -m)}
  case $name in
    X64 | x86_64 | amd64) echo amd64 ;;
    ARM64 | aarch64 | arm64) echo arm64 ;;
    *) fail "There is no tagboat program for the processor $name: only for amd64 and arm64." ;;
  esac
}

# The version becomes part of addresses and file names, so only what a release of ours can be called passes.
checked_version() {
  local wanted=$1
  local number='(0|[1-9][0-9]{0,8})'
  local form="^v?$number\\.$number\\.$number(-[0-9A-Za-z]+([.-][0-9A-Za-z]+)*)?\$"
  if [[ -z $wanted ]]; then
    fail 'This is no release of the action, so it names no version of its own. Use a released one (tagboat/tagboat/setup@v1), or say which program you want with the input version.'
  fi
  if [[ ${#wanted} -gt 64 || ! $wanted =~ $form ]]; then
    fail "The version is not one of the form v1.2.3: ${wanted:0:80}"
  fi
  printf 'v%s\n' "${wanted#v}"
}

# Without --fail, curl counts a 404 as an answer and does not try it again; everything that may pass is tried again.
download() {
  local address=$1 file=$2 status
  status=$(curl --silent --show-error --location --proto '=https' --proto-redir '=https' --tlsv1.2 \
    --retry 4 --retry-all-errors --retry-max-time 180 --connect-timeout 20 --max-time 300 \
    --output "$file" --write-out '%{http_code}' "$address") ||
    fail "Could not download $address: see curl's message above. If the server can be reached, run the job again."
  case $status in
    200) ;;
    404) fail "There is no $address: see https://github.com/$repository/releases for the versions there are." ;;
    *) fail "$address answers with status $status." ;;
  esac
}

sha256() {
  if command -v sha256sum >/dev/null; then
    sha256sum <"$1" | cut -c 1-64
  else
    shasum -a 256 <"$1" | cut -c 1-64
  fi
}

# verify_checksum holds an archive against the one line of SHA256SUMS that names it.
verify_checksum() {
  local sums=$1 archive=$2 name=$3 want got
  want=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1 }' "$sums")
  if [[ ! $want =~ ^[0-9a-f]{64}$ ]]; then
    fail "SHA256SUMS of the release has no single checksum for $name."
  fi
  got=$(sha256 "$archive")
  if [[ $got != "$want" ]]; then
    fail "$name is not the released file: its SHA-256 is $got, SHA256SUMS says $want. Nothing was installed."
  fi
}

# verify_attestation asks GitHub whether our release workflow, on this version's tag, made the archive.
verify_attestation() {
  local archive=$1 version=$2
  case $mode in
    false) return ;;
    auto)
      # Our attestations are on github.com, and older versions of gh do not know the command.
      if [[ $server != https://github.com ]] || ! gh attestation verify --help >/dev/null 2>&1; then
        annotate notice 'The checksum was verified; the attestation was not, for want of gh or of github.com.'
        return
      fi
      ;;
  esac
  gh attestation verify "$archive" --repo "$repository" --source-ref "refs/tags/$version" \
    --signer-workflow "$repository/.github/workflows/release.yml" --deny-self-hosted-runners ||
    fail "The attestation of $version could not be verified: see the message of gh above. Nothing was installed."
}

# unpack writes the program alone, whatever else an archive may hold.
unpack() {
  local archive=$1 program=$2 destination=$3
  case $archive in
    *.tar.gz) tar -xzOf "$archive" "$program" >"$destination" ;;
    *.zip)
      if command -v unzip >/dev/null; then
        unzip -p "$archive" "$program" >"$destination"
      else
        "$(cygpath -u "$SYSTEMROOT")/System32/tar.exe" -xOf "$(cygpath -w "$archive")" "$program" >"$destination"
      fi
      ;;
  esac
  chmod 0755 "$destination"
}

# native is a path as other programs of the system write it.
native() {
  if [[ $os == windows ]] && command -v cygpath >/dev/null; then
    cygpath -w "$1"
  else
    printf '%s\n' "$1"
  fi
}

main() {
  os=$(system)
  arch=$(architecture)
  version=$(checked_version "${TAGBOAT_VERSION-}")
  mode=${TAGBOAT_VERIFY_ATTESTATION:-auto}
  case $mode in
    auto | true | false) ;;
    *) fail "The input verify-attestation is auto, true or false: ${mode:0:80}" ;;
  esac
  server=${GITHUB_SERVER_URL:-https://github.com}
  if [[ $server != https://* ]]; then
    fail "Programs are downloaded over https only, not from $server."
  fi

  local program=tagboat name="tagboat-$version-$os-$arch.tar.gz"
  if [[ $os == windows ]]; then
    program=tagboat.exe name="tagboat-$version-$os-$arch.zip"
  fi

  # A folder of this job alone. The runner's tool cache would outlive the job on machines of one's own, and with it whatever
  # another job put there.
  local temp=${RUNNER_TEMP:-${TMPDIR:-/tmp}} folder
  if [[ $os == windows ]] && command -v cygpath >/dev/null; then
    temp=$(cygpath -u "$temp") # D:\... is a path to Windows, and a machine called D to tar
  fi
  folder=$(mktemp -d "$temp/tagboat.XXXXXXXX")
  local from="$server/$repository/releases/download/$version"
  download "$from/SHA256SUMS" "$folder/SHA256SUMS"
  download "$from/$name" "$folder/$name"
  verify_checksum "$folder/SHA256SUMS" "$folder/$name" "$name"
  verify_attestation "$folder/$name" "$version"
  mkdir "$folder/bin"
  unpack "$folder/$name" "$program" "$folder/bin/$program"

  local says
  says=$("$folder/bin/$program" --version) || fail "The program from $name does not run on this machine."
  case " $says " in
    *" ${version#v} "*) ;;
    *) fail "The program from $name says that it is ${says:0:80}." ;;
  esac

  native "$folder/bin" >>"${GITHUB_PATH:?}"
  {
    printf 'version=%s\n' "$version"
    printf 'path=%s\n' "$(native "$folder/bin/$program")"
  } >>"${GITHUB_OUTPUT:?}"
  printf '%s of %s/%s is in %s\n' "$says" "$server" "$repository" "$folder/bin"
}

main
