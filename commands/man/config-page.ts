/** tdf-config(5): every table and key of the configuration. */
import { configTables } from '../../src/config/index.ts'
import { VERSION } from '../../src/version.ts'
import { header, item, paragraph, roff, section, subsection, verbatim } from './roff.ts'

const APPLIES = {
  reload: 'tdf daemon reload takes it over',
  restart: 'the daemon reads it when it starts',
  watch: 'tdf watch reads it when it opens',
}

export function configPage(): string {
  const tables = configTables().map(({ name, description, keys }) =>
    subsection(
      `[${name}]`,
      paragraph(description),
      ...keys.map(({ name: key, initial, description: says, expects, variable, apply }) => {
        const value = initial === undefined ? '' : ` Default: ${initial}.`
        const set = variable === undefined ? '' : ` ${variable} sets it too;`
        return item(key, `${says} It is ${expects}.${value}${set} ${APPLIES[apply]}.`.replace(/\.\. /g, '. '))
      }),
    ),
  )
  return [
    header('tdf-config', 5, VERSION),
    section('name', `${roff('tdf-config - the configuration of tdf')}\n`),
    section(
      'description',
      paragraph('The file is TOML. Every key has a default; what is set nowhere follows later versions.'),
      paragraph(
        'Durations are texts with a unit, such as "200ms", "30s", "15m" or "1h30m"; sizes such as "64MiB" or "1GiB". An unknown ' +
          'key, a wrong value and limits in an impossible order are refused, each with its line.',
      ),
      verbatim(['tdf config path', 'tdf config check', 'tdf config show --origin', 'tdf config example']),
    ),
    section('tables', ...tables),
    section('see also', '.BR tdf (1)\n'),
  ].join('')
}
