"""The web app, its JSON API, the static gallery and the Streamlit explorer: faces of one `service.Service`."""
