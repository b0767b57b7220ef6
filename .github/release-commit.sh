#!/usr/bin/env bash
# Makes the commit of a release on the branch release/VERSION, above the commit that is checked out: prepare.yml calls it.
# Its first parent is what the images were made from, its message names them both, and GitHub signs it.
#
#   DIGESTS   {"full": {"index": "sha256:..."}, "slim": {"index": "sha256:..."}}
#   IMAGE, GH_TOKEN, GITHUB_REPOSITORY, GITHUB_SHA, GITHUB_STEP_SUMMARY   the workflow's
set -euo pipefail
cd "$(dirname "$0")/.."

version=$1
branch=release/$version
full=$(jq --exit-status --raw-output .full.index <<<"$DIGESTS")
slim=$(jq --exit-status --raw-output .slim.index <<<"$DIGESTS")
.github/pin-release.sh "$version" "$full"

# tip asks where the branch is; empty where there is none.
tip() {
  gh api "repos/$GITHUB_REPOSITORY/git/matching-refs/heads/$branch" |
    jq --raw-output --arg ref "refs/heads/$branch" '.[] | select(.ref == $ref) | .object.sha'
}

# same holds a commit against what this run makes: the parent, the names of both images, the files.
same() {
  local parents text line
  parents=$(gh api "repos/$GITHUB_REPOSITORY/git/commits/$1" | jq --raw-output '[.parents[].sha] | join(" ")')
  text=$(gh api "repos/$GITHUB_REPOSITORY/git/commits/$1" | jq --raw-output .message)
  [[ $parents == "$GITHUB_SHA" ]] || return 1
  for line in "Image: $IMAGE@$full" "Image-Slim: $IMAGE@$slim"; do
    grep -Fqx "$line" <<<"$text" || return 1
  done
  for file in action.yml setup/action.yml; do
    gh api "repos/$GITHUB_REPOSITORY/contents/$file?ref=$1" | jq --raw-output .content | base64 --decode | cmp --silent - "$file" || return 1
  done
}

at=$(tip)
if [[ -z $at ]]; then
  jq --null-input --arg ref "refs/heads/$branch" --arg sha "$GITHUB_SHA" '{ref: $ref, sha: $sha}' |
    gh api "repos/$GITHUB_REPOSITORY/git/refs" --input - >/dev/null
  at=$GITHUB_SHA
fi
if [[ $at == "$GITHUB_SHA" ]]; then
  jq --null-input --arg repository "$GITHUB_REPOSITORY" --arg branch "$branch" --arg head "$at" \
    --arg headline "Release $version" --arg body "Image: $IMAGE@$full"$'\n'"Image-Slim: $IMAGE@$slim" \
    --arg action "$(base64 -w 0 action.yml)" --arg setup "$(base64 -w 0 setup/action.yml)" '{
      query: "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }",
      variables: {input: {
        branch: {repositoryNameWithOwner: $repository, branchName: $branch}, expectedHeadOid: $head,
        message: {headline: $headline, body: $body},
        fileChanges: {additions: [{path: "action.yml", contents: $action}, {path: "setup/action.yml", contents: $setup}]}
      }}
    }' | gh api graphql --input - >/dev/null
  at=$(tip)
fi
if ! same "$at"; then
  echo "::error::The branch $branch is at $at, which is not the commit that this run makes above $GITHUB_SHA. Look at it, and delete the branch if nothing there is wanted."
  exit 1
fi

cat >>"$GITHUB_STEP_SUMMARY" <<END
The commit of $version is \`$at\`. Look at it, then release it:

\`\`\`sh
git fetch origin $branch
git tag --sign $version $at -m $version
git push origin $version
\`\`\`
END
