"""`make docs`: the documentation as a site that needs no network; mkdocs.yml names the parts."""
