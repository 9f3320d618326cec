// What may be said beside the files: a field for each property of a door's JSON schema.

import { make } from "./dom.js";
import { title } from "./words.js";

/** Properties of a schema with their types, and what they can be where it lists that as enum or examples; null as a type only says that a field may be left out. */
function fieldsOf(schema, leave) {
  return Object.entries(schema?.properties ?? {}).filter(([name]) => !leave.includes(name)).map(([name, property]) => {
    const kinds = [property, ...(property.anyOf ?? [])].filter((one) => one.type !== "null");
    const kind = kinds.find((one) => one.type || one.enum) ?? property;
    return { name, ...property, ...kind, description: property.description ?? kind.description };
  });
}

const INPUTS = {
  boolean: () => make("input", { type: "checkbox" }),
  integer: (field) => make("input", { type: "number", step: "1", ...bounds(field) }),
  number: (field) => make("input", { type: "number", step: "any", ...bounds(field) }),
};

function bounds({ minimum, maximum, default: usual }) {
  const known = (value) => (value === undefined || value === null ? "" : String(value));
  return { min: known(minimum), max: known(maximum), placeholder: known(usual) };
}

function inputOf(field) {
  const choices = field.enum ?? field.examples;
  if (choices) {
    const options = choices.map((value) => make("option", { value, textContent: value }));
    return make("select", {}, make("option", { value: "", textContent: field.default ?? (field.enum ? "as usual" : "none") }), options);
  }
  return (INPUTS[field.type] ?? (({ default: usual }) => make("input", { type: "text", placeholder: typeof usual === "string" ? usual : "" })))(field);
}

/** The fields as an element, and `fill(form)`, which adds what was said. */
export function askedFields(schema, leave = [], name = "Options") {
  const inputs = fieldsOf(schema, leave).map((field) => ({ field, input: inputOf(field) }));
  const element = inputs.length === 0 ? null : make("details", { className: "options" },
    make("summary", { textContent: name }),
    inputs.map(({ field, input }) => make("label", {},
      make("span", { textContent: title(field.name) }), input,
      field.description && make("small", { textContent: field.description }))));
  const fill = (form) => {
    for (const { field, input } of inputs) {
      if (field.type === "boolean") { if (input.checked) form.set(field.name, "true"); }
      else if (input.value.trim() !== "") form.set(field.name, input.value.trim());
    }
  };
  return { element, fill };
}
