# Thin: every target is a POSIX shell script, so `sh scripts/demo.sh` does the same where make is missing.
.PHONY: setup demo test lint types contracts faults docs lock clean

setup:
	@sh scripts/setup.sh
demo:
	@sh scripts/demo.sh $(ARGS)
test:
	@sh scripts/test.sh
lint:
	@sh scripts/check.sh lint
types:
	@sh scripts/check.sh types
contracts:
	@sh scripts/check.sh contracts
faults:
	@sh scripts/check.sh faults
docs:
	@sh scripts/check.sh docs
lock:
	@sh scripts/lock.sh
clean:
	@sh scripts/clean.sh
