"""The fault harness: real workers killed over hostile apps, and a checker that believes only the apps' own journals."""
