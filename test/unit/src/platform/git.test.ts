/** What an address names, whatever way it is written. */
import { describe, expect, it } from 'vitest'
import { isMetadataUrl, withoutPasswords } from '../../../../src/platform/git.ts'

describe('an address of a metadata service', () => {
  it.each([
    ...[
      'http://169.254.169.254/latest',
      'https://2852039166/r.git',
      'http://0xa9fea9fe/',
      'http://0251.0376.0251.0376/r',
    ],
    ...['http://0xA9.254.0xa9.0376/', 'http://169.254.43518/', 'http://169.16689662/x', 'http://169.254.169.254./r'],
    ...['http://[::ffff:169.254.169.254]/r', 'http://[::ffff:a9fe:a9fe]/', 'http://[0:0:0:0:0:ffff:a9fe:a9fe]/'],
    ...['http://[fd00:ec2::254]/r', 'http://[fd00:0ec2:0:0:0:0:0:254]:80/r', 'http://[64:ff9b::a9fe:a9fe]/'],
    ...['http://[fe80::a9fe:a9fe]/', 'http://METADATA.google.internal/', 'http://metadata.google.internal./r'],
    ...['ssh://git@0xa9fea9fe/r', 'git://2852039166/r', 'git@169.254.169.254:r.git', 'git@2852039166:r.git'],
    ...['http://user@169.254.169.254/r', 'http://user:word@0xa9fea9fe:8080/r', 'http://１６９.254.169.254/r'],
    ...['http://100.100.100.200/latest', 'http://169.254.170.2/v2/credentials', 'http://%31%36%39.254.169.254/r'],
  ])('is known as %s', url => expect(isMetadataUrl(url)).toBe(true))

  it.each([
    ...['https://github.com/acme/web.git', 'git@github.com:acme/web.git', 'ssh://git@10.0.0.5:2222/r.git'],
    ...['https://169.254.169.254.example.org/r', 'https://169.254.169.254@example.org/r', 'http://[fd00:ec2::255]/r'],
    ...['file:///srv/r.git', 'git@my_host:r.git', 'https://metadata.example.org/r', 'http://127.0.0.1:8080/r.git'],
  ])('is not %s', url => expect(isMetadataUrl(url)).toBe(false))
})

describe('what git says of an address', () => {
  it.each([
    ["fatal: Authentication failed for 'https://you:secret@code.example/r.git/'", 'https://code.example/r.git/'],
    ["could not read Password for 'https://secret@code.example'", "'https://code.example'"],
    ['ssh://git:secret@code.example/r', 'ssh://git@code.example/r'],
    ['ssh://git@code.example/secre-t', 'ssh://git@code.example/secre-t'],
    ['https://code.example/a@b', 'https://code.example/a@b'],
  ])('%s: no password is left', (said, left) => {
    expect(withoutPasswords(said)).toContain(left)
    expect(withoutPasswords(said)).not.toContain('secret')
  })
})
