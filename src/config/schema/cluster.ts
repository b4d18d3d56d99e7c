/** `[store]` and `[cluster]`: where the state lives when it is not the embedded file, and how the daemons that share it meet. */
import { z } from 'zod'
import { form, parseListen, text } from './kinds.ts'

const apply = 'restart'

/** Several hosts stand in one URL, with commas between them, as libpq has it. */
const STORE_URL = /^postgres(?:ql)?:\/\/[^\s#]+$/
const MEMBER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const MEMBER_URL = /^(?:(?:tls|https):\/\/)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}\/?$/

export const storeTable = z
  .strictObject({
    url: form(
      STORE_URL,
      '',
      'Empty: the embedded file. Else the PostgreSQL that holds the state; several daemons may share it.',
      { apply, expects: 'a URL such as "postgres://tdf@db1,db2/tdf"', secret: true },
    ),
    url_file: text(
      '',
      'A file (mode 0600) that holds that URL. Without either, the systemd credential store-url counts.',
      { apply },
    ),
  })
  .prefault({})
  .meta({ description: 'Where the state lives.' })

export const clusterTable = z
  .strictObject({
    name: form(MEMBER_NAME, '', "What this daemon is called in `tdf cluster ls`. Empty: the host's name.", {
      apply,
      expects: 'a name of letters, digits, ".", "_" and "-"',
    }),
    listen: form(
      { test: address => parseListen(address) !== undefined },
      '127.0.0.1:7434',
      'Where the other daemons hand on what they are asked, over TLS with the shared key.',
      { apply, expects: 'an address such as "10.0.0.1:7434"' },
    ),
    url: form(MEMBER_URL, '', 'What the other daemons are told instead of that address.', {
      apply,
      expects: 'an address such as "tdf1.example.org:7434"',
    }),
    key_file: text(
      '',
      'The key of the installation, the same file on every daemon (mode 0600). Empty: cluster.key in the state folder.',
      { apply },
    ),
  })
  .prefault({})
  .meta({ description: 'This daemon among those that share a [store]. Without one it is alone.' })
