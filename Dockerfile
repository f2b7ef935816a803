# The web app in a container (docs/serving.md). Build and start it with:
# docker build -t medgan_tf . && docker run -p 5000:5000 -v "$PWD/outputs:/outputs:ro" medgan_tf
FROM python:3.11-slim
RUN useradd --create-home --uid 10001 medgan
WORKDIR /srv/medgan_tf
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY medgan_tf medgan_tf
ARG EXTRAS=app
RUN pip install --no-cache-dir -c requirements.lock -e ".[${EXTRAS}]"
COPY pretrained* pretrained
ENV MEDGAN_TF_OUTPUTS=/outputs TF_CPP_MIN_LOG_LEVEL=3 PYTHONUNBUFFERED=1
RUN mkdir /outputs && chown medgan /outputs
USER medgan
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/healthz', timeout=4)"]
CMD ["python", "-m", "medgan_tf", "serve", "--host", "0.0.0.0", "--port", "5000"]
