/** `[providers.*]`: where machines come from. */
import { z } from 'zod'
import { choice, described, flag, form, HTTP_URL, list, text } from './kinds.ts'

const apply = 'restart'
const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
/** No leading dash, which ssh would read as an option, and no port, which it would read as a part of the name. */
const SSH_TARGET =
  /^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?([A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*)$/
const SIZE_OR_PLACE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

const FULL_PATH = /^(\/|~\/)\P{Cc}*$/u

const fullPaths = (description: string) =>
  described(z.array(z.string().max(4_096).regex(FULL_PATH)).max(100).prefault([]), description, {
    expects: 'a list of full paths such as ["~/.cache", "/srv/data"]',
  })

export const localTable = z
  .strictObject({
    enabled: flag(true, 'Run tasks on this machine too.', { apply }),
    sandbox: choice(
      ['off', 'bubblewrap'],
      'off',
      'Confines what tasks run here to their workspace. Where bwrap cannot do it, they are refused.',
    ),
    sandbox_hidden: fullPaths('In the sandbox this is not shown, though it lies in a place that is.'),
    sandbox_readable: fullPaths('In the sandbox this can be read, beside programs of the system and toolchains.'),
    sandbox_writable: fullPaths(
      'In the sandbox this may be written, like the workspace and the folders of the agent itself.',
    ),
  })
  .prefault({})
  .meta({ description: 'This machine.' })

const staticNode = z
  .strictObject({
    name: described(z.string().regex(NODE_NAME), 'What the node is called in `tdf node ls` and --node.', {
      apply,
      expects: 'a name of letters, digits, ".", "_" and "-"',
      example: 'box1',
    }),
    url: form(HTTP_URL, '', 'Its tdf-agent, reached directly with its token. This or ssh.', {
      apply,
      expects: 'a URL such as "http://127.0.0.1:8787"',
      example: 'http://127.0.0.1:8787',
    }),
    ssh: form(SSH_TARGET, '', 'Or user@host, reached as your ssh configuration says.', {
      apply,
      expects: '"user@host" (a port belongs into the ssh configuration)',
    }),
    token: text('', 'The token itself; better is token_file.', { apply, secret: true }),
    token_file: text('', 'Holds the token; relative to the folder of this file.', { apply, example: 'secrets/box1' }),
    size: form(SIZE_OR_PLACE, '', 'Matches --size.', { apply, expects: 'a name such as "large"' }),
    location: form(SIZE_OR_PLACE, '', 'Matches --location.', { apply, expects: 'a name such as "fsn1"' }),
    max_workspaces: described(
      z.int().min(1).max(1_000).optional(),
      'Tasks at a time on this node. Not set: as in [nodes].',
      { apply, expects: 'a whole number from 1 to 1000', example: '1' },
    ),
  })
  .meta({ description: 'A machine of your own.' })

export const staticTable = z
  .strictObject({
    nodes: described(
      z.array(staticNode).max(1_000).superRefine(checkStaticNodes).prefault([]),
      'Machines of your own.',
      { apply, expects: 'a list of tables' },
    ),
  })
  .prefault({})
  .meta({ description: 'Machines of your own. One [[providers.static.nodes]] for each.' })

export const hetznerTable = z
  .strictObject({
    enabled: flag(
      false,
      'Order machines at Hetzner Cloud. They cost money; `tdf reap` finds what a dead daemon left.',
      { apply },
    ),
    endpoint: form(HTTP_URL, 'https://api.hetzner.cloud/v1', 'Where the API is.', {
      apply,
      expects: 'a URL such as "https://api.hetzner.cloud/v1"',
      env: 'HCLOUD_ENDPOINT',
    }),
    token_file: text(
      '',
      'A file that holds the API token. Empty: the systemd credential hcloud-token, HCLOUD_TOKEN, or the secret of that name.',
      { apply },
    ),
    image: form(
      SIZE_OR_PLACE,
      'debian-13',
      'The image of a new machine; needs cloud-init and a nodejs package of 20.19 or later.',
      { apply, expects: 'the name or id of an image, such as "debian-13"' },
    ),
    sizes: described(
      z
        .record(z.string().regex(SIZE_OR_PLACE), z.string().regex(SIZE_OR_PLACE))
        .refine(sizes => Object.keys(sizes).length > 0)
        .prefault({ small: 'cx23', medium: 'cx33', large: 'cx43' }),
      'What --size means here: a name of yours and the server type it stands for.',
      { apply, expects: 'a table of size names and server types, such as { small = "cx23" }' },
    ),
    locations: list(['fsn1', 'nbg1', 'hel1'], 'Where machines are ordered, in this order when one has no room.', {
      apply,
    }),
    transport: choice(
      ['ssh', 'direct'],
      'ssh',
      'How nodes are reached: by ssh (nothing listens in public), or directly in a private network.',
      { apply },
    ),
    setup: text('', 'A script that runs as root at the first boot of a machine, before its agent.', { apply }),
    keep_paid_hour: flag(true, 'A started hour is paid for: keep an idle machine until shortly before its next one.', {
      apply,
    }),
  })
  .prefault({})
  .meta({ description: 'Machines ordered at Hetzner Cloud when no other node has room.' })

// --- What cannot be said of one value alone: rules over a list of nodes. Limits against each other are in limits.ts ---

type StaticNode = Record<'name' | 'url' | 'ssh' | 'token' | 'token_file', string>

interface Complaints {
  addIssue(issue: { code: 'custom'; path: (string | number)[]; params: { says: string } }): void
}

/** Each node has a name of its own, one way to reach it, and a token where that way needs one. */
export function checkStaticNodes(nodes: readonly StaticNode[], complaints: Complaints): void {
  for (const [index, node] of nodes.entries()) {
    const complain = (key: keyof StaticNode, says: string) =>
      complaints.addIssue({ code: 'custom', path: [index, key], params: { says } })
    const twin = nodes.findIndex(other => other.name === node.name)
    const called = `node "${node.name}"`
    if (node.name === 'local') complain('name', 'the name "local" belongs to this machine')
    if (twin < index) complain('name', `${called} is already there, as number ${twin + 1} of the list`)
    if (!node.url && !node.ssh) complain('url', `${called} needs url or ssh: how is it reached?`)
    if (node.url && node.ssh) complain('ssh', `${called} has both url and ssh: one of them must go`)
    if (node.token && node.token_file) complain('token', `${called} has both token and token_file: one of them must go`)
    if (node.url && !node.token && !node.token_file)
      complain('url', `${called} is reached by url and so needs its token_file`)
  }
}
