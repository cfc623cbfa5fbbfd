# The gateway alone. `docker compose up` puts it in front of a Postgres with the sample shop.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libclang-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package querygate

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/querygate --create-home querygate
COPY --from=build /source/target/release/querygate /usr/local/bin/querygate
USER querygate
WORKDIR /var/lib/querygate
ENTRYPOINT ["querygate", "--config", "/etc/querygate/querygate.toml"]
CMD ["serve"]
