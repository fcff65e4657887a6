# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where backups are kept; the twin of ``STORE_OPTIONS`` in ``module_utils/postgres/store/reach.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  store:
    description:
      - Where the backups are kept.
      - A backup is there only once its manifest is, which is written last. What is not complete has no name that
        anybody would take for a backup, and is removed by the next run once its writer is gone.
    type: dict
    suboptions:
      path:
        description:
          - Folder on the machine the module runs on. It is made, readable for its owner alone, if only it itself is
            missing.
        type: path
      s3:
        description:
          - Bucket of an S3-compatible server.
          - Without keys and profile they are looked for where the AWS tools do.
        type: dict
        suboptions:
          bucket:
            description: Name of the bucket, which exists.
            type: str
            required: true
          prefix:
            description: Begin of the keys, without the slash at its end.
            type: str
            default: ""
          endpoint:
            description: URL of the server, if it is not that of AWS. Buckets are then addressed by path.
            type: str
          region:
            description: Region of the bucket.
            type: str
          access_key:
            description: Access key id.
            type: str
          secret_key:
            description: Secret key.
            type: str
          profile:
            description: Profile in the configuration of the AWS tools, instead of keys.
            type: str
          ca_bundle:
            description: File with the certificates of the authorities to trust.
            type: path
          part_size:
            description:
              - MiB of one part of an upload, at least 5. Two parts at a time are in temporary files.
              - 10000 parts are the most S3 takes, so the default allows files of 156 GiB.
            type: int
            default: 16
          object_lock_days:
            description:
              - Days for which the server must not let go of a backup; the bucket needs object lock.
              - 0 leaves it to the bucket.
            type: int
            default: 0
          object_lock_mode:
            description: Whether some may lift that lock (V(governance)) or nobody (V(compliance)).
            type: str
            choices: [governance, compliance]
            default: governance
requirements:
  - boto3 >= 1.36, with O(store.s3)
notes:
  - With O(store.s3) it needs C(s3:ListBucket), C(s3:ListBucketMultipartUploads), C(s3:GetObject), C(s3:PutObject),
    C(s3:AbortMultipartUpload) and C(s3:DeleteObject), and with object lock C(s3:PutObjectRetention) and
    C(s3:GetObjectRetention).
  - What is deleted from a bucket with versions is gone only when a lifecycle rule removes its old versions. A rule for
    uploads that were never completed is of use, too.
  - Where pg_restore needs the files of a backup that is in a bucket, or is encrypted, they are brought into a folder of
    their own in the temporary folder (E(TMPDIR)), which needs room for them. What a killed run left there is removed by
    the next run on the same machine.
"""
