# Start the stand-in directory of the small company and connect it; to be read by a shell inside the workspace:
# . "$USHER_SOURCE/examples/small/directory.sh" [options of python -m twins.chaos]
# The server ends with the terminal. Its journal is directory.journal beside the workspace.
rm -f ../directory.ready
python -m twins.chaos --load "$USHER_SOURCE/examples/small/directory.json" --state ../directory.state \
    --journal ../directory.journal --ready-file ../directory.ready "$@" &
until [ -e ../directory.ready ]; do sleep 0.1; done
export DIRECTORY_TOKEN=chaos
export DIRECTORY_URL="$(sed -n 's/.*"url": *"\([^"]*\)".*/\1/p' ../directory.ready)/scim/v2"
usher connect directory --speaks scim --part idp --url "$DIRECTORY_URL" --owner olga --lag 0.5 \
    --secret token=env:DIRECTORY_TOKEN
