# The program postbus on Debian 12: docker build -t postbus .
FROM debian:12-slim AS build
COPY scripts/install-packages /postbus/scripts/install-packages
RUN /postbus/scripts/install-packages build
COPY CMakeLists.txt /postbus/
COPY schemas /postbus/schemas
COPY sdk /postbus/sdk
COPY relay /postbus/relay
RUN cmake -S /postbus -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release -DPOSTBUS_TESTS=OFF -DPOSTBUS_EXAMPLES=OFF \
 && cmake --build /build && cmake --install /build --prefix /usr/local --strip

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpq5 librdkafka1 libjansson4 libconfuse2 libpopt0 libmicrohttpd12 libavro23 libcurl4 libssl3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --no-create-home postbus
COPY --from=build /usr/local/bin/postbus /usr/local/bin/postbus
COPY docker/entrypoint /usr/local/bin/postbus-entrypoint
USER postbus
ENTRYPOINT ["postbus-entrypoint"]
CMD ["relay"]
