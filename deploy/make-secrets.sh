#!/bin/sh
# Makes the passwords and the token of one installation, and a certificate to begin with.
# Usage: deploy/make-secrets.sh FOLDER NAME [POSTGRES [REDIS]]
#   FOLDER    is made, for its owner alone; what is in it already stays
#   NAME      by which clients reach the server
#   POSTGRES  host[:port] of the database, `postgres` unless given
#   REDIS     host[:port] of the cache, `redis` unless given
set -eu

if [ $# -lt 2 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
folder=$1
name=$2
postgres=${3:-postgres}
redis=${4:-redis}

# keep FILE VALUE: containers read the files as users of their own; the folder is what keeps others out
keep() {
    printf '%s\n' "$2" > "$folder/$1.new"
    chmod 0444 "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
}

# the folders above are as open as any: others read what lies beside this one
mkdir -p "$(dirname "$folder")"
umask 077
mkdir -p "$folder"
for file in postgres_password redis_password ray_token; do
    [ -e "$folder/$file" ] || keep "$file" "$(openssl rand -hex 32)"
done
[ -e "$folder/alambique_database_url" ] || keep alambique_database_url \
    "postgresql://alambique:$(cat "$folder/postgres_password")@$postgres/alambique"
[ -e "$folder/alambique_redis_url" ] || keep alambique_redis_url \
    "redis://:$(cat "$folder/redis_password")@$redis/0"

# of the hub, for private repositories: none, until somebody writes one there
[ -e "$folder/hf_token" ] || keep hf_token ""

if [ ! -e "$folder/htpasswd" ]; then
    password=$(openssl rand -hex 16)
    keep htpasswd "alambique:$(printf '%s' "$password" | openssl passwd -6 -stdin)"
    echo "user alambique, password $password: shown this once"
fi
if [ ! -e "$folder/certificate.pem" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
        -subj "/CN=$name" -addext "subjectAltName=DNS:$name" -addext "keyUsage=digitalSignature,keyCertSign" \
        -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2> /dev/null
    chmod 0444 "$folder/key.pem" "$folder/certificate.pem"
    echo "certificate.pem is signed by itself: put one of an authority in its place, and its key.pem"
fi
