"""What usher remembers: tables, migrations, one repository a noun, and the files of a workspace."""
