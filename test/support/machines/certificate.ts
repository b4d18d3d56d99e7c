/** A certificate of its own for a host name, as a company's own certificates are: only who is told of it trusts it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterFile } from '../after-file.ts'

export interface Certificate {
  /** The file to trust. */
  file: string
  /** For a server of Node. */
  tls: { key: Buffer; cert: Buffer }
}

export function makeCertificate(host: string): Certificate {
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-certificate-'))
  afterFile(() => rmSync(folder, { recursive: true, force: true }))
  const [key, file] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')]
  const about = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`]
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', [...made, '-keyout', key, '-out', file, ...about], { stdio: 'ignore' })
  return { file, tls: { key: readFileSync(key), cert: readFileSync(file) } }
}
