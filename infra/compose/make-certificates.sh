#!/bin/sh
# Makes an authority and one certificate for the nodes of an EventStoreDB cluster, with openssl. Does nothing where they are there.
# usage: make-certificates.sh DIRECTORY ADDRESS…    ADDRESS: the IP addresses (or names) at which nodes and clients reach the nodes
set -eu

directory=$1
shift
[ -f "$directory/node.crt" ] && exit 0
mkdir -p "$directory/ca"
names="IP:127.0.0.1,DNS:localhost"
for address in "$@"; do
  case $address in
    *[!0-9.]*) names="$names,DNS:$address" ;;
    *) names="$names,IP:$address" ;;
  esac
done
openssl req -x509 -newkey rsa:3072 -nodes -days 1825 -subj "/CN=Rainbow event store authority" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
  -keyout "$directory/ca.key" -out "$directory/ca/ca.crt"
openssl req -new -newkey rsa:3072 -nodes -subj "/CN=eventstoredb-node" -keyout "$directory/node.key" -out "$directory/node.csr"
printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "$names" >"$directory/node.ext"
openssl x509 -req -in "$directory/node.csr" -CA "$directory/ca/ca.crt" -CAkey "$directory/ca.key" -CAcreateserial -days 1825 \
  -extfile "$directory/node.ext" -out "$directory/node.crt.new"
rm "$directory/node.csr" "$directory/node.ext"
chmod 0644 "$directory/node.key" # Read by the user that the nodes run as, in a volume of theirs alone.
mv "$directory/node.crt.new" "$directory/node.crt" # Last: it says that all is there.
