"""Prints the options that fsspec's storages and the libraries below them take, by storage, as JSON."""

import inspect
import json

import adlfs
import asyncssh
import botocore.session
import gcsfs
import httpx
import paramiko
import s3fs
import sshfs
import webdav4.client
import webdav4.fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.http import HTTPFileSystem
from fsspec.implementations.sftp import SFTPFileSystem
from gcsfs.core import GCSFileSystem

CONSTRUCTORS = {
    "Azure": [adlfs.AzureBlobFileSystem],
    # Other keyword arguments are those of the session.
    "S3": [s3fs.S3FileSystem, botocore.session.Session],
    "Google Cloud": [gcsfs.GCSFileSystem, GCSFileSystem],
    "WebDAV": [webdav4.fsspec.WebdavFileSystem, webdav4.client.Client, httpx.Client],
    "SFTP": [
        sshfs.SSHFileSystem,
        SFTPFileSystem,
        paramiko.SSHClient.connect,
        asyncssh.SSHClientConnectionOptions.prepare,
    ],
    "HTTP": [HTTPFileSystem],
}


def options(callables):
    for callable in [*callables, AsyncFileSystem]:
        function = callable.__init__ if inspect.isclass(callable) else callable
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                yield parameter.name


# What paramiko calls the host.
hidden = {"SFTP": {"hostname"}}
print(json.dumps({name: sorted(set(options(of)) - hidden.get(name, set())) for name, of in CONSTRUCTORS.items()}))
