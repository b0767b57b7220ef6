// Package contract proves the forge adapter and the embedded GitHub against parties that know GitHub and nothing of
// Tagboat: GitHub's own description of its API, an emulator of GitHub that others wrote, and libsodium. The tests have the build
// tag e2e. They fetch what they need with npm, pinned by checksums, into .cache at the repository root or the folders
// that TAGBOAT_OPENAPI, TAGBOAT_EMULATE and TAGBOAT_SODIUM name.
package contract
