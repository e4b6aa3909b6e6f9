#!/bin/sh
# HAProxy as Serve starts it, but with its statistics and metrics on loopback too: Serve's template binds them to
# all addresses. Every argument that is a configuration file is put right, then HAProxy takes this process over.
set -e
for argument in "$@"; do
    case "$argument" in
        *.cfg) sed -i -e 's/^\( *bind \)\*:/\1127.0.0.1:/' -e 's/^\( *bind \):/\1127.0.0.1:/' "$argument" ;;
    esac
done
exec "$ASKWELL_HAPROXY_BINARY" "$@"
