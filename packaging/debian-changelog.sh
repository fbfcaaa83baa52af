#!/usr/bin/env bash
# Prints CHANGELOG.md in the form of a Debian changelog: packaging/debian-changelog.sh MAINTAINER. A version that is not released
# has the time of the commit.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/common.sh
maintainer=${1:?the maintainer, as NAME <ADDRESS>}

signed() { # the line below the changes of a version
    if [ -n "$time" ]; then
        printf '\n -- %s  %s\n' "$maintainer" "$time"
    fi
}
item() { # a change, folded
    if [ -n "$change" ]; then
        fold -s -w 75 <<<"$change" | sed '1s/^/  * /; 2,$s/^/    /; s/ *$//'
    fi
    change=
}
time='' change=''
while read -r line; do
    if [[ $line =~ ^'## '([0-9][^ ]*)' ('(.*)')'$ ]]; then
        release=${BASH_REMATCH[1]} date=${BASH_REMATCH[2]}
        item
        signed
        if [ "$date" = unreleased ]; then
            distribution=UNRELEASED date=@$SOURCE_DATE_EPOCH
        else
            distribution=unstable
        fi
        [ -z "$time" ] || echo
        time=$(LC_ALL=C date -Rud "$date")
        printf 'snapshooter (%s) %s; urgency=medium\n\n' "$release" "$distribution"
    elif [[ $line = '## '* ]]; then
        echo "CHANGELOG.md: not \"## VERSION (YYYY-MM-DD)\" or \"## VERSION (unreleased)\": $line" >&2
        exit 2
    elif [ -n "$time" ]; then
        case $line in
            '- '*) item; change=${line#- } ;;
            '') item ;;
            *) change+=${change:+ }$line ;;
        esac
    fi
done < <(cat CHANGELOG.md; echo)
item
signed
