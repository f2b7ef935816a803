"""Web app, JSON API, static gallery and Streamlit explorer, all on one `service.Service`.

`server.serve()` starts the Flask app, `gallery.write(run, out)` writes static pages, `explorer` is a Streamlit script,
and `catalogue.entries()` lists the models that all of them show.
"""
