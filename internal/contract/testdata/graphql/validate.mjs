// Holds exchanges with GitHub's GraphQL API against its public schema. Input: a list of {query, variables, answer}. Each
// query must be valid, its variables must fit, and the answer must be one that the schema can give: executing the query
// over the answer's own data, by somebody else's executor, must yield that data.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import path from 'node:path'

const dir = process.argv[2]
const require = createRequire(path.join(dir, 'package.json'))
const { buildSchema, parse, validate, execute } = await import(pathToFileURL(require.resolve('graphql')).href).then(m => m.default ?? m)
const schema = buildSchema(readFileSync(path.join(dir, 'node_modules/@octokit/graphql-schema/schema.graphql'), 'utf8'),
  { assumeValid: true, assumeValidSDL: true }) // it names two fields of one type twice
let bad = 0
const complain = (i, what) => { bad++; console.error(`exchange ${i}: ${what}`) }
const exchanges = JSON.parse(readFileSync(0, 'utf8'))
for (const [i, { query, variables, answer }] of exchanges.entries()) {
  const document = parse(query)
  for (const e of validate(schema, document)) complain(i, e.message)
  const out = await execute({ schema, document, rootValue: answer.data ?? {}, variableValues: variables, fieldResolver: (source, _, __, info) => source[info.fieldName] })
  for (const e of out.errors ?? []) complain(i, e.message)
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(out.data ?? null)), answer.data ?? null)) complain(i, `data ${JSON.stringify(out.data)}, the answer had ${JSON.stringify(answer.data)}`)
  for (const e of answer.errors ?? []) if (typeof e.message !== 'string' || !Array.isArray(e.path)) complain(i, `an error without message or path: ${JSON.stringify(e)}`)
}
if (bad || exchanges.length === 0) process.exit(1)
console.log(`${exchanges.length} exchanges fit`)
