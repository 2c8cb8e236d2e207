{{/* What the server is started with, so that it hands on its log. A segment that is there
already is one that was archived before a crash, and has to be the same. */}}
{{- define "postgresql.walArgs" -}}
{{- $log := printf "%s/log" .mountPath -}}
- -c
- wal_level=replica
- -c
- archive_mode=on
- -c
- archive_timeout={{ .timeoutSeconds }}
- -c
- archive_command=mkdir -p {{ $log }} && if test -f {{ $log }}/%f; then cmp -s %p {{ $log }}/%f; else cp %p {{ $log }}/.%f && sync {{ $log }}/.%f && mv {{ $log }}/.%f {{ $log }}/%f; fi
{{- end }}

{{/* Base backups, through the pod's own socket; what no kept one needs of the log goes. */}}
{{- define "postgresql.baseBackupScript" -}}
set -eu
trap 'exit 0' TERM
mkdir -p "$WAL_DIR/log" "$WAL_DIR/base"
cd "$WAL_DIR/base"
all() { find . -mindepth 1 -maxdepth 1 -type d -name '[0-9]*T[0-9]*Z' | sort; }
fresh() { [ -n "$(find . -mindepth 1 -maxdepth 1 -type d -name '[0-9]*T[0-9]*Z' -mmin "-$((HOURS * 60))")" ]; }
backup() {
  rm -rf ./.partial
  to=$(date -u +%Y%m%dT%H%M%SZ)
  pg_basebackup --no-password --pgdata=.partial --format=tar --gzip --wal-method=fetch --checkpoint=fast
  mv .partial "$to"
  echo "base backup $to"
}
prune() {
  all | head -n "-$KEEP" | while read -r old; do rm -rf "./${old#./}"; echo "deleted $old"; done
  oldest=$(all | head -n 1)
  needed=$(tar -xzOf "$oldest/base.tar.gz" backup_label | sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p')
  [ -n "$needed" ]
  pg_archivecleanup ../log "$needed"
}
while true; do
  if ! fresh; then
    until pg_isready --quiet; do sleep 1; done
    backup
    prune
  fi
  [ "${ONCE:-}" = "" ] || exit 0
  sleep 60 & wait $!
done
{{- end }}

{{/* Into an empty volume: the newest base backup before the moment, and the log up to it. */}}
{{- define "postgresql.walRestoreScript" -}}
set -eu
if [ -s "$PGDATA/PG_VERSION" ]; then
  echo "there is a database already: nothing is restored"
  exit 0
fi
base=$(find "$WAL_DIR/base" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*T[0-9]*Z' | sort | while read -r one; do
  if [ "$TARGET" = "" ] || [ "$(printf '%s\n%s\n' "${one##*/}" "$TARGET" | sort | head -n 1)" = "${one##*/}" ]; then echo "$one"; fi
done | tail -n 1)
if [ "$base" = "" ]; then
  echo "there is no base backup${TARGET:+ before $TARGET} in $WAL_DIR/base"
  exit 1
fi
cd "${PGDATA%/*}"
rm -rf ./.restoring
mkdir -m 700 .restoring
tar -xzf "$base/base.tar.gz" -C .restoring
{
  echo "restore_command = 'cp \"$WAL_DIR/log/%f\" \"%p\"'"
  if [ "$TARGET" != "" ]; then
    echo "recovery_target_time = '$(echo "$TARGET" | sed 's/^\(....\)\(..\)\(..\)T\(..\)\(..\)\(..\)Z$/\1-\2-\3 \4:\5:\6+00/')'"
    echo "recovery_target_action = 'promote'"
  fi
} >> .restoring/postgresql.auto.conf
touch .restoring/recovery.signal
mv .restoring "$PGDATA"
echo "restored $base; the server goes on with the log${TARGET:+ until $TARGET}"
{{- end }}

{{- define "postgresql.walClaim" -}}
{{- default (printf "%s-wal" (include "postgresql.fullname" .)) .Values.walArchive.storage.existingClaim }}
{{- end }}
