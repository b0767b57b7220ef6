#!/usr/bin/env bash
# Brings a GitHub release to what it shall be: a draft with the files of a folder, and then public. release.yml calls it.
#
#   .github/publish-release.sh v1.2.3 FOLDER
#   GH_TOKEN, GITHUB_REPOSITORY   the workflow's
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$1 folder=$2
export GH_REPO=$GITHUB_REPOSITORY

# Drafts are found by listing alone, so that is how every state is found. One line for each release of the tag.
state() {
  gh api --paginate "repos/$GITHUB_REPOSITORY/releases?per_page=100" |
    jq --raw-output --arg tag "$tag" '.[] | select(.tag_name == $tag) | "\(.id) \(.draft)"'
}

# assets are the checksums that GitHub has, as sha256sum writes them.
assets() {
  gh api --paginate "repos/$GITHUB_REPOSITORY/releases/$1/assets?per_page=100" |
    jq --raw-output '.[] | select(.state == "uploaded") | "\(.digest // "" | ltrimstr("sha256:"))  \(.name)"' | sort -k 2
}

# notes are the part of the changelog that belongs to the version; without one there is no release.
notes() {
  awk -v heading="## [${tag#v}]" '/^## / { inside = index($0, heading) == 1; next } inside' CHANGELOG.md
}

(cd "$folder" && sha256sum --check --strict --quiet SHA256SUMS)
want=$(cd "$folder" && sha256sum -- * | sort -k 2)
notes >"${RUNNER_TEMP:-/tmp}/notes.md"
if ! grep -q '[^[:space:]]' "${RUNNER_TEMP:-/tmp}/notes.md"; then
  echo "::error::CHANGELOG.md says nothing about ${tag#v}."
  exit 1
fi

found=$(state)
if [[ -z $found ]]; then
  prerelease=()
  [[ $tag != *-* ]] || prerelease=(--prerelease)
  gh release create "$tag" --draft --verify-tag --title "Tagboat $tag" --notes-file "${RUNNER_TEMP:-/tmp}/notes.md" "${prerelease[@]}"
  found=$(state)
fi
if [[ $found == *$'\n'* || -z $found ]]; then
  echo "::error::There is not one release of $tag: ${found//$'\n'/, }. Delete the drafts that are not wanted."
  exit 1
fi
read -r id draft <<<"$found"
if [[ $draft == true && $(assets "$id") != "$want" ]]; then
  gh release upload "$tag" "$folder"/* --clobber
fi
if [[ $(assets "$id") != "$want" ]]; then
  echo "::error::The release of $tag does not have the files that were built."
  diff <(assets "$id") <(printf '%s\n' "$want")
  exit 1
fi
if [[ $draft == true ]]; then
  jq --null-input --arg tag "$tag" '{tag_name: $tag, draft: false}' |
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/releases/$id" --input - | jq --raw-output .html_url
fi
