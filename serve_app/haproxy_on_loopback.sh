#!/bin/sh
# HAProxy as Serve starts it, but for four things that its template settles otherwise. Every argument that is a
# configuration file is put right, then HAProxy takes this process over.
#   - Statistics and metrics listen on loopback, not on all addresses.
#   - While no ingress replica is known, which is for a moment at a start, the reply is not a 404: nothing is missing.
#   - What HAProxy itself has to refuse is a problem with Retry-After, not a bare 500.
#   - So is what Serve says in plain text: Askwell's own problems never are. Serve's standby proxy, which takes over
#     while no ingress replica is well, says 404 until it has heard of the application.
set -e
unavailable="$(dirname "$0")/haproxy_unavailable.http"
problem='{"type": "urn:askwell:problem:Starting", "title": "The service is starting", "status": 503, "detail": "Ask again in a moment."}'
again="status 503 content-type application/problem+json hdr Retry-After 1 string '$problem'"
plain="if { status 404 500 503 } { res.hdr(content-type) -m beg text/plain }"
for argument in "$@"; do
    case "$argument" in
        *.cfg)
            sed -i \
                -e 's/^\( *bind \)\*:/\1127.0.0.1:/' \
                -e 's/^\( *bind \):/\1127.0.0.1:/' \
                -e "s|^\( *http-request return\) status 404 .*|\1 $again|" \
                -e "s|^\( *errorfile 50[234]\) .*|\1 $unavailable|" \
                -e "s|^frontend http_frontend.*|&\n    http-response return $again $plain|" \
                "$argument"
            ;;
    esac
done
exec "$ASKWELL_HAPROXY_BINARY" "$@"
