# Two images of one program.
#
# full (the default): Tagboat with git, a C toolchain and Rust through rustup, by whose rules a workspace's
# rust-toolchain.toml is read. The build zone takes a user of its own, without an account, each time.
#
# slim: Tagboat and the roots of trust alone, for a job that holds tokens and packages nothing.
#
# Both come out the same each time they are built from one commit, by the same base images: nothing is fetched but what
# go.sum names, and what is copied is as old as SOURCE_DATE_EPOCH says. No USER and no WORKDIR: GitHub mounts the
# workspace over the one, and its files cannot be written by the other.
# https://docs.github.com/en/actions/reference/workflows-and-actions/dockerfile-support
ARG GO_IMAGE=golang:1.26.8-bookworm
ARG RUST_IMAGE=rust:1.95.0-bookworm

FROM ${GO_IMAGE} AS build
ARG VERSION=devel
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY internal internal
# Without inlining the program is a tenth smaller, and it waits for others most of its time.
RUN mkdir -p /out/slim/tmp /out/slim/etc/ssl/certs /out/full/usr/local/bin \
 && CGO_ENABLED=0 go build -trimpath -buildvcs=false -gcflags=all=-l -ldflags "-s -w -buildid= -X github.com/tagboat/tagboat/internal/cli.Version=${VERSION}" -o /out/slim/tagboat ./cmd/tagboat \
 && cp /out/slim/tagboat /out/full/usr/local/bin/tagboat \
 && cp /etc/ssl/certs/ca-certificates.crt /out/slim/etc/ssl/certs/ \
 && chmod 1777 /out/slim/tmp \
 && find /out -exec touch -h -d "@${SOURCE_DATE_EPOCH}" {} +

FROM scratch AS slim
LABEL org.opencontainers.image.title="Tagboat (slim)" \
      org.opencontainers.image.description="From a pushed tag to published crates: the ship zone alone, without cargo, compiler or shell" \
      org.opencontainers.image.source="https://github.com/tagboat/tagboat" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/slim/ /
ENTRYPOINT ["/tagboat", "action"]

FROM ${RUST_IMAGE} AS full
LABEL org.opencontainers.image.title="Tagboat" \
      org.opencontainers.image.description="From a pushed tag to published crates" \
      org.opencontainers.image.source="https://github.com/tagboat/tagboat" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/full/ /
ENTRYPOINT ["/usr/local/bin/tagboat", "action"]
