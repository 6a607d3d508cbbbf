#!/bin/sh
# login.sh
