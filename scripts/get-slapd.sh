#!/bin/sh
# Get OpenLDAP's server and tools from the distribution: the LDAP connector is run against them.
set -eu
. "$(dirname -- "$0")/lib.sh"

if ! command -v slapd >/dev/null 2>&1 && [ ! -x /usr/sbin/slapd ]; then
    can_apt || die "get-slapd: install it, then repeat: sudo apt-get install slapd ldap-utils"
    apt_install slapd ldap-utils || die "get-slapd: slapd could not be installed; see the lines above"
fi
say "get-slapd: slapd is ready"
