// The OpenAPI 3.1 document of the JSON API, made from the table of operations. https://spec.openapis.org/oas/v3.1.1
import * as z from "zod";
import { VERSION } from "../version.ts";
import { errorSchema } from "./admin-schema.ts";
import { OPERATIONS, type Operation } from "./operations.ts";

type Json = Record<string, unknown>;

/** Where a document that is served finds itself. */
const ADMIN = { url: "http://localhost", description: "The admin socket, or `[api] listen`" };

/**
 * The document.
 * @param onlyPublic with no more than the public listener has
 */
export function openApiDocument({ onlyPublic = false }: { readonly onlyPublic?: boolean } = {}): Json {
  const components = new Components();
  const paths: Record<string, Json> = {};
  for (const [name, operation] of Object.entries(OPERATIONS) as [string, Operation][]) {
    if (onlyPublic && !operation.isPublic) continue;
    const { path, method } = operation;
    paths[path] = { ...paths[path], [method.toLowerCase()]: describe(name, operation, components) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Trustix",
      version: VERSION,
      summary: "What a node knows of builds, builders and logs",
      license: { name: "MIT", identifier: "MIT" },
    },
    ...(onlyPublic ? {} : { servers: [ADMIN], security: [{}, { token: [] }] }),
    paths,
    components: {
      schemas: components.schemas,
      responses: {
        Error: {
          description: "A refusal; `code` is for programs, see docs/reference/errors.md",
          content: { "application/json": { schema: components.add(errorSchema, "output") } },
        },
      },
      ...(onlyPublic ? {} : { securitySchemes: { token: { type: "http", scheme: "bearer" } } }),
    },
  };
}

function describe(name: string, operation: Operation, components: Components): Json {
  const { tag, summary, description, params, query, body, answer } = operation;
  const parameters = [
    ...Object.entries(params ?? {}).map(([key, schema]) => ({
      name: key,
      in: "path",
      required: true,
      schema: components.add(schema, "input"),
    })),
    ...Object.entries(query?.shape ?? {}).map(([key, schema]) => ({
      name: key,
      in: "query",
      required: !(schema as z.ZodType).safeParse(undefined).success,
      schema: components.add(schema as z.ZodType, "input"),
    })),
  ];
  const schema = "schema" in answer && answer.schema !== undefined ? answer.schema : undefined;
  const content = {
    [answer.type]: schema === undefined ? {} : { schema: components.add(schema, "output") },
  };
  return {
    operationId: name,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { content: { "application/json": { schema: components.add(body, "input") } } } }),
    responses: {
      "200": { description: summary, content },
      ...(operation.method === "GET" && answer.type === "application/json"
        ? { "304": { description: "As `If-None-Match` has it already" } }
        : {}),
      default: { $ref: "#/components/responses/Error" },
    },
  };
}

/** Schemas that have names, each once. */
class Components {
  readonly schemas: Json = {};

  /** The JSON schema of a zod schema; what has a name is referred to. */
  add(schema: z.ZodType, io: "input" | "output"): Json {
    const {
      $schema: _,
      $defs = {},
      ...root
    } = z.toJSONSchema(schema, { io, target: "draft-2020-12" }) as Json;
    for (const [id, definition] of Object.entries($defs as Record<string, Json>)) {
      const { id: _, ...rest } = definition;
      this.schemas[id] ??= pointHere(rest);
    }
    const { id, ...rest } = root;
    if (typeof id !== "string") return pointHere(rest) as Json;
    this.schemas[id] ??= pointHere(rest, id);
    return { $ref: `#/components/schemas/${id}` };
  }
}

/** Turns references inside of a schema into references inside of the document. */
function pointHere(value: unknown, self?: string): unknown {
  if (Array.isArray(value)) return value.map((each) => pointHere(each, self));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key !== "$ref" || typeof inner !== "string") return [key, pointHere(inner, self)];
      return [
        key,
        inner === "#" ? `#/components/schemas/${self}` : inner.replace("#/$defs/", "#/components/schemas/"),
      ];
    }),
  );
}
