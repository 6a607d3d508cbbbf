#!/bin/sh
# Waits until nothing is left.
while :; do
  BAD=$(kubectl get helmreleases -A --no-headers | grep -v True | wc -l)
  [ "$BAD" -eq 0 ] && break
  sleep 5
done
