/**
 * Other people's work in our bundles, from esbuild's own list of what went into them: the notices that their licences ask
 * for, and a bill of materials (CycloneDX 1.5, https://cyclonedx.org/docs/1.5/json/).
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const IN_PACKAGE = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//
const LICENCE_FILE = /^(licen[cs]e|copying|notice)\b(?!.*\.[cm]?[jt]s$)/i

/** Under the MIT licence without a file of its terms, by the words of their sources (yoga-layout) or of their README. */
const MIT_WITHOUT_FILE = {
  'yoga-layout': 'Copyright (c) Meta Platforms, Inc. and affiliates.',
  'pg-types': 'Copyright (c) 2014 Brian M. Carlson',
  pgpass: 'Copyright (c) 2013-2016 Hannes Hörl',
}

/**
 * Every package of which a byte is in one of the outputs, by name and version.
 * Throws when one has no licence text: such a package cannot be shipped.
 */
export function bundledPackages(root, metafiles) {
  const inputs = metafiles.flatMap(({ outputs }) =>
    Object.values(outputs).flatMap(output => Object.entries(output.inputs)),
  )
  const folders = new Set(inputs.flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? folderOf(file) : [])))
  const packages = [...folders].map(folder => readPackage(root, path.join(root, folder)))
  // One version may be installed in two places.
  return [...new Map(packages.map(one => [idOf(one), one])).values()].sort((one, other) =>
    idOf(one) < idOf(other) ? -1 : 1,
  )
}

const folderOf = file => IN_PACKAGE.exec(file)?.[1] ?? []
const idOf = ({ name, version }) => `${name}@${version}`

/** The terms alone: ours stand in LICENSE. */
const mitTerms = root =>
  /Permission is hereby granted[\s\S]*/.exec(readFileSync(path.join(root, 'LICENSE'), 'utf8'))[0].trim()

function readPackage(root, folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const files = readdirSync(folder).filter(file => LICENCE_FILE.test(file))
  const holder = MIT_WITHOUT_FILE[name]
  const texts = files.map(file => readFileSync(path.join(folder, file), 'utf8').trim())
  if (texts.length === 0 && license === 'MIT' && holder) texts.push(`${holder}\n\n${mitTerms(root)}`)
  if (!name || !version || !license || texts.length === 0)
    throw new Error(`${folder} has no name, version or licence text`)
  const text = texts.join('\n\n')
  return { name, version, license, text }
}

export function notices(packages) {
  const parts = packages.map(
    ({ name, version, license, text }) => `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${text}\n`,
  )
  return `tdf contains parts of these packages, each under its own licence.\n\n${parts.join('\n')}`
}

/** Nothing in it changes from build to build: no time, no serial number. */
export function billOfMaterials(version, packages) {
  const application = { type: 'application', 'bom-ref': `pkg:npm/tdf@${version}`, name: 'tdf', version }
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: { ...application, licenses: [{ license: { id: 'MIT' } }] } },
    components: packages.map(component),
  }
  return `${JSON.stringify(bill, null, 1)}\n`
}

function component({ name: fullName, version, license }) {
  const [name, group] = fullName.split('/').reverse()
  const purl = `pkg:npm/${fullName.replace('@', '%40')}@${version}`
  const licenses = [/^[\w.+-]+$/.test(license) ? { license: { id: license } } : { expression: license }]
  return { type: 'library', 'bom-ref': purl, ...(group ? { group } : {}), name, version, licenses, purl }
}
