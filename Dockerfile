# The service in a container. Two targets, from one lock file:
#
#   docker build -t rushes:cpu --build-arg TORCH_INDEX=<index of torch's CPU builds> .
#   docker build -t rushes:cuda --target cuda .
#
# Without TORCH_INDEX the CPU target takes the build of torch that pip serves, which may be one of CUDA: it
# works as well, and is 3 GB larger. BASE is any image with Python 3.11 or newer and glibc.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/rushes
WORKDIR /build
COPY requirements.lock pyproject.toml README.md LICENSE ./

# What is installed comes before the code, so that a change of the code does not install it again.
FROM source AS packages-cpu
ARG TORCH_INDEX=""
RUN --mount=type=secret,id=pip,target=/etc/pip.conf,mode=0444 \
    /opt/rushes/bin/pip install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} "$(grep '^torch==' requirements.lock)"
COPY src src
RUN --mount=type=secret,id=pip,target=/etc/pip.conf,mode=0444 \
    /opt/rushes/bin/pip install --constraint requirements.lock ".[frozen,locked,s3]"

FROM source AS packages-cuda
COPY src src
RUN --mount=type=secret,id=pip,target=/etc/pip.conf,mode=0444 \
    /opt/rushes/bin/pip install --constraint requirements.lock ".[cuda,frozen,locked,s3]"

FROM ${BASE} AS runtime
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin rushes \
    && install --directory --owner=rushes /work
ENV PATH=/opt/rushes/bin:$PATH PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
WORKDIR /work
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/live', timeout=2)"]
ENTRYPOINT ["rushes"]
CMD ["serve", "recipe.yaml", "--host", "0.0.0.0"]

FROM runtime AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=packages-cuda /opt/rushes /opt/rushes

FROM runtime AS cpu
COPY --from=packages-cpu /opt/rushes /opt/rushes
