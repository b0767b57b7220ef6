// Package container holds Tagboat's images and its Action against a real Docker engine and a real runner of workflows.
//
// The engine is started for the tests alone, in a mount namespace in which the names of GitHub and crates.io mean this
// machine: a GitHub and a crates.io that keep state answer there over TLS, so that workflows, images and workspaces are
// the very ones that users have. Base images are made from Debian's packages and this machine's toolchains under the
// names that the Dockerfile asks for. All of it is kept in the user's cache folder, so that the next run is faster.
package container
