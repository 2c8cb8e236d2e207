# The agent's image: one static binary, no shell, no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY agent agent
COPY apply apply
COPY cmd cmd
COPY docs docs
COPY drift drift
COPY render render
COPY source source
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /tether ./cmd/tether

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /tether /tether
USER 65532:65532
ENTRYPOINT ["/tether"]
CMD ["agent"]
