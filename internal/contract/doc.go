// Package contract proves the forge adapter and the embedded GitHub against parties that know GitHub and nothing of
// Tagboat: GitHub's own description of its API, and an emulator of GitHub that others wrote. The tests have the build
// tag e2e; they fetch what they need with npm into the cache folder, each package by its checksum.
package contract
