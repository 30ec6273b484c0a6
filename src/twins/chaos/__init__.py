"""The hostile app: one user store behind SCIM 2.0 and REST, with seeded faults and a journal of what was applied."""
